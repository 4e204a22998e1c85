// sigstore-verify.mjs --bundle FILE --trusted-root FILE --key PEM [--tlog N] [--timestamps N] [ARTIFACT]
//
// Judges a Sigstore bundle with @sigstore/verify, the client that npm itself uses. N is how many log entries and how many
// signed times it must have, 1 and 0 unless said. A message signature needs the artifact that it is over. An envelope
// carries its statement; with an artifact beside it, the statement must name the artifact's SHA-256.
// Prints `ok` and ends with 0, or prints the error and ends with 1. tests/peers/install.sh puts it into bin/sigstore-verify.
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const usage =
  'usage: sigstore-verify --bundle FILE --trusted-root FILE --key PEM [--tlog N] [--timestamps N] [ARTIFACT]';

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      bundle: { type: 'string' },
      'trusted-root': { type: 'string' },
      key: { type: 'string' },
      tlog: { type: 'string', default: '1' },
      timestamps: { type: 'string', default: '0' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return usage;
  if (!values.bundle || !values['trusted-root'] || !values.key || positionals.length > 1) throw new Error(usage);

  const bundle = bundleFromJSON(json(values.bundle));
  const artifact = positionals.length === 1 ? readFileSync(positionals[0]) : undefined;
  if (bundle.content.$case === 'messageSignature' && !artifact) throw new Error('a message signature needs its artifact');
  if (bundle.content.$case === 'dsseEnvelope' && artifact) checkSubject(bundle.content.dsseEnvelope.payload, artifact);

  // One key, whatever the bundle's hint says: a hint is not signed.
  const key = createPublicKey(readFileSync(values.key));
  const material = toTrustMaterial(TrustedRoot.fromJSON(json(values['trusted-root'])), () => ({
    publicKey: key,
    validFor: () => true,
  }));
  const verifier = new Verifier(material, {
    tlogThreshold: threshold(values.tlog),
    timestampThreshold: threshold(values.timestamps),
  });
  verifier.verify(toSignedEntity(bundle, artifact));
  return 'ok';
}

function checkSubject(payload, artifact) {
  const digest = createHash('sha256').update(artifact).digest('hex');
  const subjects = JSON.parse(payload.toString()).subject ?? [];
  if (!subjects.some((subject) => subject.digest?.sha256 === digest)) {
    throw new Error(`the statement does not name sha256:${digest}`);
  }
}

function json(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function threshold(text) {
  if (!/^[0-9]$/.test(text)) throw new Error(`a number from 0 to 9 is wanted: ${text}`);
  return Number(text);
}

try {
  console.log(main());
} catch (error) {
  console.log(`${error.code ?? error.name}: ${error.message}`);
  process.exitCode = 1;
}
