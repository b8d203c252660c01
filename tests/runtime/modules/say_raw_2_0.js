import {
  moduleHooks, table_id_from_name, datastore_insert_bsatn, console_log,
} from 'spacetime:sys@2.0';

const MODULE_DEF = Uint8Array.from([
  2, 4, 0, 0, 0,
  0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 0, 4, 0, 0, 0, 116, 101, 120, 116, 4,
  1, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 77, 115, 103, 0, 0, 0, 0, 1,
  2, 1, 0, 0, 0, 3, 0, 0, 0, 109, 115, 103, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
  3, 1, 0, 0, 0, 3, 0, 0, 0, 115, 97, 121, 1, 0, 0, 0, 0, 4, 0, 0, 0, 116, 101, 120, 116, 4, 1,
  2, 0, 0, 0, 0, 4,
]);
class UserError extends Error {}
class HostError extends Error {}
let msgTable;                                  // ids may be cached for the isolate's lifetime
const info = text => console_log(2, text);     // helper: the logger looks at the caller's caller frame
const unsupported = () => { throw new RangeError('not defined'); };
const hooks = {
  __describe_module__: () => MODULE_DEF,
  __get_error_constructor__: code =>
    class extends HostError { constructor(m) { super(m); this.code = code; } },
  __sender_error_class__: UserError,
  __call_reducer__(id, sender, connId, timestamp, args) {
    if (args.getUint32(0, true) === 0) throw new UserError('empty text');
    msgTable ??= table_id_from_name('msg');
    const row = new Uint8Array(args.byteLength); // reducer args and the row share one encoding
    row.set(new Uint8Array(args.buffer, args.byteOffset, args.byteLength));
    datastore_insert_bsatn(msgTable, row.buffer, row.length);
    info(`inserted at ${timestamp}`);
  },
  __call_view__: unsupported,
  __call_view_anon__: unsupported,
  __call_procedure__: unsupported,
};
export default { [moduleHooks](exports) { return hooks; } };
