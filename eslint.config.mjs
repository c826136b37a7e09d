import { createProjectGraphAsync } from '@nx/devkit';
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { constraints } from './tools/boundaries.mjs';

// The boundary rule reads the graph from nx's cache, and is silent without one.
await createProjectGraphAsync();

const TESTS = ['**/*.test.ts', '**/testing/**/*.ts', '**/fakes/**/*.ts'];

const boundaries = (tests) => ({
  '@nx/enforce-module-boundaries': ['error', { depConstraints: constraints({ tests }), allow: [] }],
});

export default tseslint.config(
  { ignores: ['apps/cli/src/client/api.types.ts', '**/dist/', '**/node_modules/', '.nx/', '.solopo/', 'coverage/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  ...tseslint.configs.recommendedTypeChecked,
  {
    plugins: { '@nx': nx },
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Export by name: the name is how the tree is searched.' },
      ],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  { files: ['{apps,libs}/**/*.ts'], rules: boundaries(false) },
  {
    files: TESTS,
    rules: {
      ...boundaries(true),
      // Bodies of responses and rows are checked by the assertions.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.config.{ts,mjs}'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  { files: ['**/*.mjs', '**/*.js'], ...tseslint.configs.disableTypeChecked },
);
