/** Snapshots where the file system has no reflinks: disks are chains of layers. */
import { snapshotPromises } from './promises.ts'

snapshotPromises('a file system without reflinks', async () => undefined)
