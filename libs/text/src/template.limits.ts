const MiB = 1024 * 1024;

/** What a chat template may use. Those of published models stay a thousand times below. */
export const TEMPLATE_LIMITS = {
  /** Length of the template itself, in characters. */
  sourceLength: MiB,
  /** Processor time for one rendering. */
  timeMs: 2000,
  /** For one rendering, and so much more for each character of the messages. */
  memoryBytes: 24 * MiB,
  memoryBytesPerCharacter: 64,
  /** Characters that a rendering may have more than its messages. */
  addedLength: MiB,
} as const;
