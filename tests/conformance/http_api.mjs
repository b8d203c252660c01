// The HTTP API as tests need it. Every function gives {status, headers, text, json()}.
import { request } from 'node:http';

/** One request on a connection of its own; a Buffer or string body, or none. */
export function send(method, url, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, response => {
      const parts = [];
      response.on('data', part => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(parts);
        resolve({
          status: response.statusCode,
          reason: response.statusMessage,
          headers: response.headers,
          bytes,
          text: bytes.toString(),
          json: () => JSON.parse(bytes.toString()),
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export const bearer = token => (token ? { authorization: `Bearer ${token}` } : {});

export async function newIdentity(url) {
  return (await send('POST', `${url}/v1/identity`)).json();
}

export function publish(url, name, program, { token, query = {}, hostType = 'Js' } = {}) {
  const text = new URLSearchParams({ host_type: hostType, ...query });
  return send('PUT', `${url}/v1/database/${name}?${text}`, {
    headers: bearer(token),
    body: program,
  });
}

export function prePublish(url, name, program, { token, query = {}, hostType = 'Js' } = {}) {
  const text = new URLSearchParams({ host_type: hostType, style: 'NoColor', ...query });
  return send('POST', `${url}/v1/database/${name}/pre_publish?${text}`, {
    headers: bearer(token),
    body: program,
  });
}

export function call(url, name, reducer, args, { token } = {}) {
  const body = typeof args === 'string' ? args : JSON.stringify(args);
  return send('POST', `${url}/v1/database/${name}/call/${reducer}`, {
    headers: { ...bearer(token), 'content-type': 'application/json' },
    body,
  });
}

export function sql(url, name, statement, { token } = {}) {
  return send('POST', `${url}/v1/database/${name}/sql`, {
    headers: bearer(token),
    body: statement,
  });
}

/** The rows of a SELECT, as arrays; throws with the server's text when it refuses. */
export async function rows(url, name, statement, options) {
  const answer = await sql(url, name, statement, options);
  if (answer.status !== 200) throw new Error(`sql: ${answer.status} ${answer.text}`);
  return answer.json()[0].rows;
}

export async function logs(url, name, token, lines = 1000) {
  const answer = await send('GET', `${url}/v1/database/${name}/logs?num_lines=${lines}`, {
    headers: bearer(token),
  });
  if (answer.status !== 200) throw new Error(`logs: ${answer.status} ${answer.text}`);
  return answer.text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line));
}

export async function schema(url, name, version = 10) {
  const answer = await send('GET', `${url}/v1/database/${name}/schema?version=${version}`);
  if (answer.status !== 200) throw new Error(`schema: ${answer.status} ${answer.text}`);
  return answer.json();
}
