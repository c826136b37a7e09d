/**
 * Counts results into the lines that end a test run. A skip must say why, or it counts as failed; so does a test that
 * never got a result.
 *
 * @param {readonly { name: string, state: string, note?: string | undefined }[]} results
 */
export function summarize(results) {
  const judged = results.map((result) => ({
    ...result,
    state: result.state === 'skipped' && !result.note ? 'unexplained' : result.state,
  }));
  const skipped = judged.filter(({ state }) => state === 'skipped');
  const passed = judged.filter(({ state }) => state === 'passed').length;
  const failed = judged.length - passed - skipped.length;
  return {
    failed,
    lines: [
      ...judged.filter(({ state }) => state === 'unexplained').map(({ name }) => `skipped without a reason: ${name}`),
      ...skipped.map(({ name, note }) => `skipped: ${name}: ${note}`),
      `${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`,
    ],
  };
}
