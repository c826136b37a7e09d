// Values that a JSON Schema takes, or nearly.
import fc from 'fast-check';
import { hostileNumber, hostileText } from './mutations.mjs';

const MAX_DEPTH = 8;

/**
 * @param schema as the OpenAPI document has it
 * @param resolve of a reference: the schema
 * @param known values that are there, such as the digest of a model, by what they match
 */
export function nearSchema(schema, resolve = () => ({}), known = [], depth = 0) {
  const near = (inner) => nearSchema(inner, resolve, known, depth + 1);
  if (depth > MAX_DEPTH || schema === undefined || schema === true) return fc.constantFrom(null, 1, 'x', {}, []);
  if (schema.$ref !== undefined) return near(resolve(schema.$ref));
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) return fc.oneof(...options.map((option) => near({ ...rest(schema), ...option })));
  if (schema.allOf !== undefined) return near(Object.assign({}, ...schema.allOf));
  const [type] = [schema.type].flat();
  switch (type ?? (schema.properties === undefined ? 'anything' : 'object')) {
    case 'object':
      return nearObject(schema, near);
    case 'array':
      return nearList(schema, near);
    case 'string':
      return nearText(schema, known);
    case 'integer':
      return fc.oneof(fc.integer({ min: least(schema), max: greatest(schema) }), hostileNumber.map(Math.trunc));
    case 'number':
      return fc.oneof(
        { weight: 3, arbitrary: fc.double({ min: least(schema), max: greatest(schema), noNaN: true }) },
        { weight: 1, arbitrary: hostileNumber },
      );
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

const rest = ({ anyOf: _anyOf, oneOf: _oneOf, ...others }) => others;

function least({ minimum, exclusiveMinimum }) {
  return Math.max(minimum ?? exclusiveMinimum ?? -1000, -(2 ** 31));
}

function greatest({ maximum, exclusiveMaximum, ...bounds }) {
  return Math.max(Math.min(maximum ?? exclusiveMaximum ?? 2 ** 31 - 1, 2 ** 31 - 1), least(bounds));
}

function nearList({ items, prefixItems, minItems = 0, maxItems = minItems + 3 }, near) {
  if (prefixItems !== undefined) return fc.tuple(...prefixItems.map(near));
  const minLength = Math.min(minItems, 20);
  return fc.array(near(items), { minLength, maxLength: Math.max(minLength, Math.min(maxItems, 20)) });
}

function nearObject({ properties = {}, required = [], additionalProperties }, near) {
  const members = Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, near(inner)]));
  const object = fc.record(members, {
    requiredKeys: Object.keys(properties).filter((name) => required.includes(name)),
  });
  if (typeof additionalProperties !== 'object') return object;
  return fc
    .tuple(object, fc.dictionary(fc.string(), near(additionalProperties), { maxKeys: 3 }))
    .map(([own, more]) => ({
      ...more,
      ...own,
    }));
}

const DIGEST = '^[0-9a-f]{64}$';

function nearText({ pattern, format }, known) {
  const plain = fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), hostileText);
  if (pattern === DIGEST) {
    const digests = known.filter((text) => new RegExp(DIGEST).test(text));
    return fc.oneof(
      fc.constantFrom('0'.repeat(64), ...digests),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 }),
    );
  }
  if (format === 'uri' || format === 'url')
    return fc.constantFrom(
      'http://127.0.0.1:9',
      'http://169.254.169.254/latest',
      'file:///etc/passwd',
      'http://[::1]:1/x',
      'x',
    );
  if (pattern !== undefined) return fc.oneof(fc.stringMatching(tame(pattern)), plain);
  return known.length === 0 ? plain : fc.oneof(fc.constantFrom(...known), plain);
}

function tame(pattern) {
  try {
    const expression = new RegExp(pattern, 'u');
    fc.stringMatching(expression);
    return expression;
  } catch {
    return /^[a-z]{1,8}$/;
  }
}
