/** The templates that a host makes by itself, in real machines: what is said to be in them is there. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { SIZES } from '../../../shared/machines.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { runPython } from './code-calls.ts'
import { create, exitOf, shell, spec, textOf } from './requests.ts'

let host: Daemon
before(async () => {
  host = await Daemon.start()
})
after(() => host?.stop())

const patient = { timeout_ms: 300_000 }

test('python-datasci has numpy, pandas, scipy and matplotlib, also for the Python of the virtual environment', async () => {
  const script = [
    'import io, matplotlib, numpy, pandas, scipy.stats',
    'matplotlib.use("Agg")',
    'from matplotlib import pyplot',
    'picture = io.BytesIO()',
    'pyplot.plot(numpy.arange(3)); pyplot.savefig(picture, format="png")',
    'print(pandas.DataFrame({"a": [1, 2, 3]})["a"].sum(), scipy.stats.norm.cdf(0), picture.getvalue()[1:4].decode())',
  ].join('\n')
  const stream = await create(
    host,
    spec('data', { template: 'python-datasci' }),
    shell(`command -v python3; python3 -c '${script}'`, patient),
  )
  assert.equal(exitOf(stream).exit_code, 0, textOf(stream, 5))
  assert.equal(textOf(stream), '/opt/venv/bin/python3\n6 0.5 PNG\n')
})

test('the Python that waits in python-datasci has them imported, also when its machine had to be booted', async (t) => {
  const look = 'pd.DataFrame({"a": [1, 2, 3]}).describe()'
  const times: number[] = []
  while (times.length < 10) {
    const { results, ms } = await runPython(host, 'data', look)
    assert.match(results[0]?.html ?? '', /<table/)
    times.push(Math.round(ms))
  }
  const plot = await runPython(
    host,
    'data',
    'plt.plot(np.arange(3)); scipy.stats.norm.cdf(0), matplotlib.get_backend()',
  )
  assert.deepEqual(
    plot.results.map(({ text, png, is_main_result }) => [is_main_result ? text : '', png?.slice(0, 10)]),
    [
      ["(0.5, 'agg')", undefined],
      ['', 'iVBORw0KGg'],
    ],
  )
  t.diagnostic(`describe() in a machine that was just booted: ${times.join(' ')} ms`)
})

test('node has npm and npx, and the default one has them too', async () => {
  const stream = await create(
    host,
    spec('script', { template: 'node' }),
    shell('npm --version && npx --version', patient),
  )
  assert.equal(exitOf(stream).exit_code, 0, textOf(stream, 5))
  assert.match(textOf(stream), /^\d+\.\d+\.\d+\n\d+\.\d+\.\d+\n$/)
})

test('a disk in which a template does not fit is refused, and nothing is started', async () => {
  const machine = { ...SIZES.xs, diskMib: 2_048 }
  const stream = await create(host, spec('small', { template: 'python-datasci', machine }))
  assert.equal(stream.status, 422)
  assert.match(stream.body, /disk_too_small/)
  assert.deepEqual((await host.inventory()).vms.map(({ id }) => id).sort(), ['data', 'script'])
})

test('the host says which templates it has', async () => {
  assert.deepEqual((await host.capacity()).templates, ['default', 'node', 'python-datasci'])
})
