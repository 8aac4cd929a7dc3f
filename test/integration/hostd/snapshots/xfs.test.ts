/** Snapshots where the file system has reflinks: a disk is cloned in an instant. */
import { openXfs } from './mounted-place.ts'
import { snapshotPromises } from './promises.ts'

snapshotPromises('XFS', openXfs)
