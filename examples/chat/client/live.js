// Prints the chat as it happens. Lines typed here are sent as messages; Ctrl-D ends it.
//
//   node client/live.js [--uri ws://127.0.0.1:3000] [--database chat] [--name ann]
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { DbConnection, tables } from './module_bindings/index.js';

const { values: options } = parseArgs({
  options: {
    uri: { type: 'string', default: 'ws://127.0.0.1:3000' },
    database: { type: 'string', default: 'chat' },
    name: { type: 'string' },
  },
});

function nameOf(connection, identity) {
  const user = connection.db.user.identity.find(identity);
  return user?.name ?? identity.toHexString().slice(0, 12);
}

function print(connection, message) {
  const time = message.sent.toDate().toISOString().slice(11, 19);
  console.log(`${time} ${nameOf(connection, message.sender)}: ${message.text}`);
}

function complain(error) {
  console.error(`refused: ${error.message}`);
}

// Rows that were there before arrive with the event `SubscribeApplied`.
function showUpdates(connection) {
  connection.db.message.onInsert((_ctx, message) => print(connection, message));
  connection.db.user.onInsert((ctx, user) => {
    if (ctx.event.tag === 'SubscribeApplied') return;
    console.log(`* ${nameOf(connection, user.identity)} is here`);
  });
  connection.db.user.onUpdate((_ctx, before, after) => {
    const name = nameOf(connection, after.identity);
    if (before.name !== after.name) console.log(`* ${name} has a new name`);
    if (before.online === after.online) return;
    console.log(`* ${name} ${after.online ? 'is back' : 'left'}`);
  });
}

function sendLines(connection) {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', text => connection.reducers.sendMessage({ text }).catch(complain));
  lines.on('close', () => connection.disconnect());
}

DbConnection.builder()
  .withUri(options.uri)
  .withDatabaseName(options.database)
  .onConnect((connection, identity) => {
    console.log(`connected as ${identity.toHexString()}; type to send, Ctrl-D to leave`);
    showUpdates(connection);
    connection
      .subscriptionBuilder()
      .onApplied(() => {
        if (options.name) connection.reducers.setName({ name: options.name }).catch(complain);
        sendLines(connection);
      })
      .onError(context => {
        console.error('subscription refused:', context.event?.message ?? context);
        process.exit(1);
      })
      .subscribe([tables.message, tables.user]);
  })
  .onConnectError((_context, error) => {
    console.error(`cannot connect to ${options.uri}: ${error.message}`);
    process.exit(1);
  })
  .onDisconnect((_context, error) => process.exit(error ? 1 : 0))
  .build();
