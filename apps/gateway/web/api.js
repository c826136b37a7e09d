const TOKEN = 'solopo.token';

/** What the API answered instead, as its problem document says it. */
export class ApiError extends Error {
  constructor(status, problem, token) {
    super(problem.detail ?? `The gateway answered with status ${status}.`);
    this.status = status;
    /** The one that was sent, or null: the reader may have given another since. */
    this.token = token;
    this.code = problem.code ?? 'error';
  }
}

export const session = {
  get token() {
    return sessionStorage.getItem(TOKEN);
  },
  keep(token) {
    sessionStorage.setItem(TOKEN, token);
  },
  forget() {
    sessionStorage.removeItem(TOKEN);
  },
};

/** A request with the reader's token, if there is one; throws `ApiError` for anything but a good answer. */
export async function request(path, { headers = {}, ...options } = {}) {
  const { token } = session;
  const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(path, { ...options, headers: { ...authorization, ...headers } });
  if (response.ok) return response;
  throw new ApiError(response.status, await response.json().catch(() => ({})), token);
}

export async function get(path, signal) {
  return (await request(path, { signal, headers: { accept: 'application/json' } })).json();
}

export async function post(path) {
  return (await request(path, { method: 'POST' })).json();
}

export async function remove(path) {
  await request(path, { method: 'DELETE' });
}

let names = { token: null, asked: undefined };

/** A model's weights may have been made of fewer bits. */
const originOf = (source) => (source ? `, dequantised from ${source.format.toUpperCase()} ${source.file_type} ` : '');

/** Names of models and data sets by digest, for configurations that hold digests. */
export async function namesByDigest() {
  // What was asked with another token may be refused yet.
  if (names.asked === undefined || names.token !== session.token) names = { token: session.token, asked: readNames() };
  const own = names;
  try {
    return await own.asked;
  } catch (error) {
    own.asked = undefined;
    throw error;
  }
}

async function readNames() {
  const lists = await Promise.all([get('/v1/models'), get('/v1/datasets')]);
  return new Map(lists.flat().map(({ digest, name, source }) => [digest, name + originOf(source)]));
}
