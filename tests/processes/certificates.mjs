// Certificates of the nodes, made with openssl: an authority per instance.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export class Authority {
  constructor(directory, name) {
    this.directory = join(directory, name);
    mkdirSync(this.directory, { recursive: true });
    const out = ['-keyout', this.#file('ca.key'), '-out', this.#file('ca.pem')];
    this.#openssl('req', '-x509', ...NEW_KEY, ...out, '-subj', `/CN=${name}`, '-days', '2');
  }

  #file = name => join(this.directory, name);

  #openssl(...words) {
    execFileSync('openssl', words, { stdio: 'pipe' });
  }

  /** A new key and certificate of node `id` in `to`. */
  issue(id, to) {
    mkdirSync(to, { recursive: true });
    const [key, request, leaf, extensions] = ['key', 'csr', 'pem', 'ext'].map(ending =>
      this.#file(`node${id}.${ending}`),
    );
    const subject = ['-subj', `/CN=kv${id}`];
    this.#openssl('req', '-new', ...NEW_KEY, '-keyout', key, '-out', request, ...subject);
    writeFileSync(
      extensions,
      `subjectAltName=URI:worldline://processes/node/kv${id}\n` +
        'extendedKeyUsage=serverAuth,clientAuth\n',
    );
    const ca = ['-CA', this.#file('ca.pem'), '-CAkey', this.#file('ca.key'), '-CAcreateserial'];
    this.#openssl('x509', '-req', '-in', request, ...ca, '-out', leaf, '-days', '1',
      '-extfile', extensions);
    copyFileSync(this.#file('ca.pem'), join(to, 'ca.pem'));
    renameSync(leaf, join(to, 'node.pem'));
    renameSync(key, join(to, 'node.key'));
    rmSync(request);
  }
}
