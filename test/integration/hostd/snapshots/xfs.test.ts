/** Snapshots where the file system has reflinks: a disk is cloned in an instant. */
import { snapshotPromises } from './promises.ts'
import { openXfs } from './xfs-place.ts'

snapshotPromises('XFS', openXfs)
