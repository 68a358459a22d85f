/**
 * How data sets are opened.
 *
 * @module
 */

import type { ColumnNames } from "./names.ts";
import type { RemoteOptions } from "./remote.ts";

/** How a data set is opened. */
export interface OpenOptions {
  /** Columns of tables and Parquet files, where their names are not the usual ones. */
  readonly columns?: ColumnNames;
  /** How patiently remote files are read. */
  readonly remote?: RemoteOptions;
}
