import { Inject, Injectable } from '@nestjs/common';
import { envelopeSchema, SolopoError, type Envelope } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { requireVersion } from '../runs/describe-policy.use-case.ts';
import { makeStatement } from './make-statement.ts';
import { SigningKey } from './signing-key.ts';

interface Query {
  readonly run: string;
  readonly step: number | undefined;
  readonly files: readonly { readonly name: string; readonly digest: string }[];
}

/** Merging is done where the policy is exported: of what comes out the system knows what it was made of, and says so. */
@Injectable()
export class StateMerged {
  constructor(
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(SigningKey) private readonly key: SigningKey,
  ) {}

  async execute({ run: id, step, files }: Query): Promise<Envelope> {
    const run = await this.ledger.runs.require(id);
    if (run.config.adapter === null)
      throw new SolopoError('conflict', `Run ${id} trained no adapter; its policy comes with a statement as it is.`);
    const key = this.key.require();
    const version = await requireVersion(this.ledger, id, step);
    const base = (await this.ledger.models.require(run.resolved.model)).files;
    const declared = files.filter(({ name, digest }) => base[name] !== digest).map(({ name }) => name);
    const stated = { kind: 'merged', files, declared, adapter: version.digest } as const;
    const statement = await makeStatement(this.ledger, run, version, stated, key);
    return envelopeSchema.parse(JSON.parse(this.key.sign(statement)));
  }
}
