/** The Python with PyTorch that `./solopo test --torch` names to the tests; they are skipped without. */
export const torchPython = (): string | undefined => process.env.SOLOPO_TORCH_PYTHON || undefined;

export const NO_TORCH = 'no Python with PyTorch was named; run ./solopo test --torch';
