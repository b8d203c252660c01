import { Router, schema, SyncResponse, t, table } from 'spacetimedb/server';

const item = table({ public: true }, { id: t.u32().primaryKey(), name: t.string() });
const spacetimedb = schema({ item });
export default spacetimedb;

export const hello = spacetimedb.httpHandler(() => new SyncResponse('hello'));
export const routes = spacetimedb.httpRouter(new Router().get('/hello', hello));
