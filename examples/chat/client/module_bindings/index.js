// What a code generator writes for the chat module, written by hand in plain JavaScript: the shape
// of its tables and reducers, and a connection class that knows them. Keep it in step with
// ../../src/index.ts.
import {
  convertToAccessorMap,
  DbConnectionBuilder,
  DbConnectionImpl,
  makeQueryBuilder,
  procedures as proceduresOf,
  reducers as reducersOf,
  reducerSchema,
  schema,
  SubscriptionBuilderImpl,
  t,
  table,
} from 'spacetimedb';

const tablesSchema = schema({
  message: table(
    {
      name: 'message',
      indexes: [
        { accessor: 'id', name: 'message_id_idx_btree', algorithm: 'btree', columns: ['id'] },
        {
          accessor: 'bySent',
          name: 'message_sent_idx_btree',
          algorithm: 'btree',
          columns: ['sent'],
        },
      ],
      constraints: [{ name: 'message_id_key', constraint: 'unique', columns: ['id'] }],
    },
    t.row({
      id: t.u64().primaryKey(),
      sender: t.identity(),
      sent: t.timestamp(),
      text: t.string(),
    })
  ),
  user: table(
    {
      name: 'user',
      indexes: [
        {
          accessor: 'identity',
          name: 'user_identity_idx_btree',
          algorithm: 'btree',
          columns: ['identity'],
        },
      ],
      constraints: [{ name: 'user_identity_key', constraint: 'unique', columns: ['identity'] }],
    },
    t.row({
      identity: t.identity().primaryKey(),
      name: t.option(t.string()),
      online: t.bool(),
    })
  ),
});

const reducersSchema = reducersOf(
  reducerSchema('send_message', { text: t.string() }),
  reducerSchema('set_name', { name: t.string() })
);

const REMOTE_MODULE = {
  versionInfo: { cliVersion: '2.8.3' },
  tables: tablesSchema.schemaType.tables,
  reducers: reducersSchema.reducersType.reducers,
  ...proceduresOf(),
};

export const tables = makeQueryBuilder(tablesSchema.schemaType);
export const reducers = convertToAccessorMap(reducersSchema.reducersType.reducers);

export class SubscriptionBuilder extends SubscriptionBuilderImpl {}

export class DbConnection extends DbConnectionImpl {
  static builder = () =>
    new DbConnectionBuilder(REMOTE_MODULE, config => new DbConnection(config));

  subscriptionBuilder() {
    return new SubscriptionBuilder(this);
  }
}
