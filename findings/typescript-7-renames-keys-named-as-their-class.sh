#!/bin/sh
# TypeScript 7.0.2, the compiler in Go: where a private method (#name) has an object literal with a key of the class's own name, that key is
# written as another one, in all of the class. `class Bucket { #where() { return { Bucket: 'b' } } }` gives { _a: 'b' }, with `_a = Bucket`
# below the class, as if the key were a reference to the class. Nothing is reported; types say Bucket, a request to S3 says _a. Without a
# private method that has such a key, and by TypeScript 6.0.3, keys are kept. A class named as a field of the requests that it makes (Bucket,
# Model) is what meets it.
#
# Seen, with --target es2023: 6.0.3 {"Bucket":"b"} throughout; 7.0.2 {"_a":"b"} from both methods of the class that has a private one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"type":"module","private":true}\n' >package.json
npm install --silent --no-audit --no-fund six@npm:typescript@6.0.3 seven@npm:typescript@7.0.2
cat >bucket.ts <<'TS'
class Bucket {
  open() {
    return { Bucket: 'b' };
  }
  hidden() {
    return this.#where();
  }
  #where() {
    return { Bucket: 'b' };
  }
}
class Open {
  open() {
    return { Open: 'b' };
  }
}
const bucket = new Bucket();
console.log(JSON.stringify([new Open().open(), bucket.open(), bucket.hidden()]));
TS
seen=
for version in six seven; do
  node "node_modules/$version/bin/tsc" --module nodenext --target es2023 --ignoreConfig --outDir "$version-out" bucket.ts
  said=$(node "$version-out/bucket.js")
  printf '%s %s\n' "$version" "$said"
  seen="$seen $said"
done
kept='[{"Open":"b"},{"Bucket":"b"},{"Bucket":"b"}]'
[ "$seen" = " $kept [{\"Open\":\"b\"},{\"_a\":\"b\"},{\"_a\":\"b\"}]" ] || { echo 'changed'; exit 1; }
