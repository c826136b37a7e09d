const HELP = `Speaks to a running Solopo over HTTP (SOLOPO_API, such as http://127.0.0.1:8080).

  demo                 train three policies of a small model, and compare them
      --corpus NAME    retrieval (the default), or musique: real questions, the real Qwen2.5 tokenizer
      --model FOLDER   another model folder (Hugging Face layout, Qwen2 or Qwen2.5)
      --quick          fewer questions and steps
      --seed N         repeat it exactly (0)
      --json FILE      write the result for machines
  pretrain             make the bundled model again
      --out FOLDER     where it is written
      --seed N         (0)
      --steps N        (1000)
      --threads N      (1)
  help                 this page

Ends with 0 when all went well, 1 when something failed, 2 when the command line is wrong, 130 when interrupted.
`;

export async function help(): Promise<number> {
  process.stdout.write(HELP);
  return 0;
}
