// Client bindings made at run time from the schema a server answers: the same calls into the npm
// package that the official generator writes into files (chapter 07, section 8).

/** words('player1ID') = ['player', '1', 'ID']: the rule of chapter 01, section 6.3, for ASCII. */
export function words(name) {
  return name
    .replace(/[_\- ]+/g, ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replace(/([A-Za-z])([0-9])/g, '$1 $2')
    .replace(/([0-9])([A-Za-z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .split(' ')
    .filter(Boolean);
}
const capital = word => word[0].toUpperCase() + word.slice(1).toLowerCase();
export const snake = name =>
  words(name)
    .map(word => word.toLowerCase())
    .join('_');
export const camel = name =>
  words(name)
    .map((word, i) => (i === 0 ? word.toLowerCase() : capital(word)))
    .join('');
export const pascal = name => words(name).map(capital).join('');

/** {DbConnection, tables: accessor -> canonical name} for one database and one npm version. */
export function bindings(sdk, definition) {
  const tables = {},
    names = {},
    reducers = [];
  walk(definition, [], (module, path) => {
    const types = new TypeBuilders(sdk, module, path);
    const canonical = explicitNames(module);
    const prefix = path.map(part => `${part}.`).join('');
    for (const table of section(module, 'Tables')) {
      if (!('Public' in table.table_access)) continue;
      const wire = prefix + (canonical.table.get(table.source_name) ?? snake(table.source_name));
      const key = path.length ? wire : camel(table.source_name);
      tables[key] = sdk.table(tableOptions(table, wire, module), types.row(table));
      names[key] = wire;
    }
    for (const reducer of section(module, 'Reducers')) {
      if (!('ClientCallable' in reducer.visibility)) continue;
      const wire =
        prefix + (canonical.function.get(reducer.source_name) ?? snake(reducer.source_name));
      reducers.push(sdk.reducerSchema(wire, types.members(reducer.params)));
    }
  });
  const tablesSchema = sdk.schema(tables);
  const remote = {
    versionInfo: { cliVersion: '2.10.1' },
    tables: tablesSchema.schemaType.tables,
    reducers: sdk.reducers(...reducers).reducersType.reducers,
    ...sdk.procedures(),
  };
  class DbConnection extends sdk.DbConnectionImpl {
    static builder = () => new sdk.DbConnectionBuilder(remote, config => new DbConnection(config));
  }
  return { DbConnection, names, queries: sdk.makeQueryBuilder?.(tablesSchema.schemaType) };
}

export function section(module, name) {
  return module.sections.find(entry => name in entry)?.[name] ?? [];
}

function walk(module, path, visit) {
  visit(module, path);
  for (const mount of section(module, 'Submodules')) {
    walk(mount.module, [...path, mount.namespace], visit);
  }
}

function explicitNames(module) {
  const found = { table: new Map(), function: new Map() };
  for (const entry of section(module, 'ExplicitNames').entries ?? []) {
    const [kind, { source_name, canonical_name }] = Object.entries(entry)[0];
    found[kind.toLowerCase()]?.set(source_name, canonical_name);
  }
  return found;
}

function tableOptions(table, name, module) {
  const row = section(module, 'Typespace').types[table.product_type_ref].Product.elements;
  const column = position => camel(row[position].name.some);
  const indexes = table.indexes
    .filter(index => index.accessor_name.some)
    .map(index => ({
      accessor: index.accessor_name.some,
      name: index.source_name.some ?? index.accessor_name.some,
      algorithm: 'btree',
      columns: [Object.values(index.algorithm)[0]].flat().map(column),
    }));
  const constraints = table.constraints.map(constraint => ({
    name: constraint.source_name.some ?? '',
    constraint: 'unique',
    columns: constraint.data.Unique.columns.map(column),
  }));
  return { name, indexes, constraints, ...(table.is_event ? { event: true } : {}) };
}

const SCALARS = {
  Bool: 'bool',
  String: 'string',
  I8: 'i8',
  U8: 'u8',
  I16: 'i16',
  U16: 'u16',
  I32: 'i32',
  U32: 'u32',
  I64: 'i64',
  U64: 'u64',
  I128: 'i128',
  U128: 'u128',
  I256: 'i256',
  U256: 'u256',
  F32: 'f32',
  F64: 'f64',
};
const SPECIAL_PRODUCTS = {
  __identity__: 'identity',
  __connection_id__: 'connectionId',
  __time_duration_micros__: 'timeDuration',
  __timestamp_micros_since_unix_epoch__: 'timestamp',
  __uuid__: 'uuid',
};

class TypeBuilders {
  #built = new Map();

  constructor(sdk, module, path) {
    this.t = sdk.t;
    this.types = section(module, 'Typespace').types;
    this.names = new Map(
      section(module, 'Types').map(type => [
        type.ty,
        path.map(pascal).join('') + pascal(type.source_name.source_name),
      ]),
    );
  }

  row(table) {
    const elements = this.types[table.product_type_ref].Product.elements;
    const columns = {};
    elements.forEach(({ name, algebraic_type }, position) => {
      let type = this.build(algebraic_type);
      if (table.primary_key.includes(position)) type = type.primaryKey();
      if (name.some !== camel(name.some)) type = type.name(name.some);
      columns[camel(name.some)] = type;
    });
    return this.t.row(columns);
  }

  members(product) {
    return Object.fromEntries(
      product.elements.map(({ name, algebraic_type }) => [
        camel(name.some),
        this.build(algebraic_type),
      ]),
    );
  }

  build(type) {
    const [kind, value] = Object.entries(type)[0];
    if (kind in SCALARS) return this.t[SCALARS[kind]]();
    if (kind === 'Ref') return this.#named(value);
    if (kind === 'Array')
      return 'U8' in value ? this.t.byteArray() : this.t.array(this.build(value));
    if (kind === 'Product') return this.#product(value, '');
    return this.#sum(value, '');
  }

  #named(ref) {
    if (!this.#built.has(ref)) {
      const [kind, value] = Object.entries(this.types[ref])[0];
      const name = this.names.get(ref) ?? `Anonymous${ref}`;
      const make = { Product: () => this.#product(value, name), Sum: () => this.#sum(value, name) };
      this.#built.set(ref, (make[kind] ?? (() => this.build(this.types[ref])))());
    }
    return this.#built.get(ref);
  }

  #product(product, name) {
    const only = product.elements.length === 1 ? product.elements[0].name.some : undefined;
    if (only in SPECIAL_PRODUCTS) return this.t[SPECIAL_PRODUCTS[only]]();
    if (product.elements.length === 0) return this.t.unit();
    return this.t.object(name, this.members(product));
  }

  #sum(sum, name) {
    const variants = sum.variants.map(variant => variant.name.some);
    const payload = i => this.build(sum.variants[i].algebraic_type);
    if (variants.join() === 'some,none') return this.t.option(payload(0));
    if (variants.join() === 'ok,err') return this.t.result(payload(0), payload(1));
    if (variants.join() === 'Interval,Time') return this.t.scheduleAt();
    return this.t.enum(
      name,
      Object.fromEntries(variants.map((variant, i) => [pascal(variant), payload(i)])),
    );
  }
}
