/**
 * A sum with the error of its additions kept apart (Kahan, in Neumaier's form), so that `1 + 1e100 - 1e100` is 1. Add
 * values with {@link KahanSum.add}; the sum is `sum + error`, except where `sum` is infinite.
 */
export class KahanSum {
  sum = 0;
  error = 0;

  reset(sum = 0, error = 0): void {
    this.sum = sum;
    this.error = error;
  }

  add(value: number): void {
    const next = this.sum + value;
    if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) this.error = 0;
    else if (Math.abs(this.sum) >= Math.abs(value)) this.error += this.sum - next + value;
    else this.error += value - next + this.sum;
    this.sum = next;
  }

  get total(): number {
    return Math.abs(this.sum) === Number.POSITIVE_INFINITY ? this.sum : this.sum + this.error;
  }
}

/** What adding `value` to `sum` (which became `next`) leaves over, added to `error`: one step of {@link KahanSum} for sums kept in arrays. */
export function kahanError(value: number, sum: number, next: number, error: number): number {
  if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) return 0;
  return Math.abs(sum) >= Math.abs(value) ? error + (sum - next + value) : error + (value - next + sum);
}

/**
 * The mean of `values[from..to)`, at least one: the sum divided by the count as long as the sum stays finite, from there
 * on the mean carried along, which large values cannot overflow.
 */
export function meanOf(values: ArrayLike<number>, from: number, to: number): number {
  let sum = values[from] as number;
  let error = 0;
  let count = 1;
  let at = from + 1;
  for (; at < to; at++) {
    const value = values[at] as number;
    const next = sum + value;
    if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) break;
    error = kahanError(value, sum, next, error);
    sum = next;
    count++;
  }
  if (at === to) return sum / count + error / count;
  const mean = new MeanCarried(sum / count, error / count, count);
  for (; at < to; at++) mean.add(values[at] as number);
  return mean.value;
}

/** A mean to which values are added one by one without their sum. */
export class MeanCarried {
  constructor(
    private mean: number,
    private error: number,
    private count: number,
  ) {}

  add(value: number): void {
    this.count++;
    const share = (this.count - 1) / this.count;
    const held = share * this.mean;
    const added = value / this.count;
    const next = held + added;
    this.error = kahanError(added, held, next, share * this.error);
    this.mean = next;
  }

  get value(): number {
    return this.mean + this.error;
  }
}
