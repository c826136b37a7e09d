/** Items [from, to) in order. */
export interface Range {
  readonly from: number;
  readonly to: number;
}
