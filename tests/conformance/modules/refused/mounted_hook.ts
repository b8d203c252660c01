// A lifecycle reducer inside a mount.
import { schema, t, table } from 'spacetimedb/server';
import * as lib from './mounted_hook_child';

const own = table({ public: true }, { id: t.u32().primaryKey() });
export default schema({ own, lib });
