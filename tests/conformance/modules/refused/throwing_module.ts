import { schema, t, table } from 'spacetimedb/server';

const item = table({ public: true }, { id: t.u32().primaryKey(), name: t.string() });
export default schema({ item });

throw new Error('this module throws while it loads');
