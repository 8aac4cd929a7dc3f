import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandLine, type MachinePlan } from '../../../origin/hostd/qemu/command-line.ts'

const plan: MachinePlan = {
  name: 'm-0123456789ab',
  directory: '/s',
  machine: { vcpus: 2, memoryMib: 4_096, diskMib: 20_480 },
  accel: 'tcg',
  memory: { kind: 'cloned', path: '/t/memory.raw' },
  beginning: { kind: 'restore', incomingPath: '/r/incoming.sock' },
  disk: { image: '/i/rootfs.ext4', layers: ['/t/disk.qcow2'], overlay: '/s/disk.qcow2' },
  sockets: { qmp: '/r/qmp.sock', data: '/r/data.sock', control: '/r/control.sock' },
  owner: { uid: 200_001, gid: 200_001 },
}
const valuesOf = (line: string[], option: string): string[] =>
  line.flatMap((argument, index) => (argument === option ? [line[index + 1] ?? ''] : []))

// One clone writing through to the template would be seen by all others.
test('a clone never writes to its template: its memory is private, and only its own layer is writable', () => {
  const line = commandLine(plan)
  assert.deepEqual(valuesOf(line, '-object'), [
    'memory-backend-file,id=ram,size=4096M,mem-path=/t/memory.raw,share=off',
  ])
  const disks = valuesOf(line, '-blockdev').map((text) => JSON.parse(text))
  const writable = disks.filter((node) => node['read-only'] !== true)
  assert.deepEqual(
    writable.map((node) => node.file.filename),
    ['/s/disk.qcow2'],
  )
  assert.deepEqual(
    disks.map((node) => node.backing),
    [undefined, 'layer0', 'layer1'],
  )
})

test('a machine has no network card, whatever it is started for', () => {
  const boot = { kind: 'boot', kernel: '/k', initramfs: '/n', tscKhz: 2_600_000 } as const
  for (const beginning of [plan.beginning, boot])
    for (const accel of ['kvm', 'tcg'] as const) {
      const line = commandLine({ ...plan, beginning, accel })
      const devices = valuesOf(line, '-device').map((device) => device.split(',')[0])
      assert.deepEqual(new Set(devices), new Set(['virtio-blk-device', 'virtio-serial-device', 'virtserialport']))
      assert.ok(line.includes('-nodefaults') && !line.includes('-nic') && !line.includes('-netdev'))
    }
})

test('a machine is confined: its own user where there is one, and a system call filter always', () => {
  assert.deepEqual(valuesOf(commandLine(plan), '-runas'), ['200001:200001'])
  for (const owner of [null, plan.owner])
    assert.match(valuesOf(commandLine({ ...plan, owner }), '-sandbox')[0] ?? '', /^on,.*spawn=deny/)
  assert.match(valuesOf(commandLine({ ...plan, owner: null }), '-sandbox')[0] ?? '', /elevateprivileges=deny/)
})

// Randomised addresses make every exec several times slower under emulation; on real processors they stay.
test('only an emulated guest is told its clock and runs without address randomisation', () => {
  const append = (tscKhz: number | null): string =>
    valuesOf(
      commandLine({ ...plan, beginning: { kind: 'boot', kernel: '/k', initramfs: '/n', tscKhz } }),
      '-append',
    )[0] ?? ''
  assert.match(append(2_600_000), /tsc_early_khz=2600000 norandmaps/)
  assert.doesNotMatch(append(null), /tsc|norandmaps|mitigations/)
})
