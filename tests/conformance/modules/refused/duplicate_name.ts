// Two tables with one canonical name.
import { schema, t, table } from 'spacetimedb/server';

const itemList = table({ name: 'item_list', public: true }, { id: t.u32().primaryKey() });
const other = table({ name: 'item_list', public: true }, { id: t.u32().primaryKey() });
export default schema({ itemList, other });
