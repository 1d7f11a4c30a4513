// Compares runs.parquet with runs.jsonl in a folder, value by value, and writes
// the same table as DuckDB would.
import duckdb from '@duckdb/node-api';
import { statSync } from 'node:fs';

const dir = process.argv[2];
const db = await duckdb.DuckDBInstance.create(':memory:');
const c = await db.connect();
await c.run("SET TimeZone = 'UTC'");
const columns = {
  id: 'VARCHAR', tenant_id: 'VARCHAR', workflow_name: 'VARCHAR', workflow_version: 'VARCHAR', status: 'VARCHAR', started_at: 'TIMESTAMPTZ', completed_at: 'TIMESTAMPTZ',
  duration_ms: 'BIGINT', steps_completed: 'BIGINT', steps_total: 'BIGINT', error_message: 'VARCHAR', metadata: 'JSON', created_at: 'TIMESTAMPTZ', _export_version: 'INTEGER',
};
const names = Object.keys(columns).join(', ');
const types = Object.entries(columns).map(([n, t]) => `${n}: '${t}'`).join(', ');
await c.run(`CREATE TABLE p AS SELECT * FROM read_parquet('${dir}/runs.parquet')`);
await c.run(`CREATE TABLE j AS SELECT ${names} FROM read_json('${dir}/runs.jsonl', format = 'newline_delimited', columns = {${types}})`);
const declared = (await c.runAndReadAll("SELECT column_name, column_type FROM (DESCRIBE p)")).getRowObjectsJson();
for (const { column_name: n, column_type: t } of declared) {
  const want = { TIMESTAMPTZ: 'TIMESTAMP WITH TIME ZONE' }[columns[n]] ?? columns[n];
  if (want && want !== t) throw new Error(`column ${n} is ${t}, not ${want}`);
}
const one = async (sql) => Number((await c.runAndReadAll(sql)).getRows()[0][0]);
// DuckDB writes numbers inside JSON its own way when it reads lines: 13.10 is 13.1.
const p = names.replace('metadata', () => "json_extract(metadata, '$') AS metadata");
const different = await one(`SELECT (SELECT count(*) FROM (SELECT ${p} FROM p EXCEPT ALL SELECT ${names} FROM j)) + (SELECT count(*) FROM (SELECT ${names} FROM j EXCEPT ALL SELECT ${p} FROM p))`);
await c.run(`COPY p TO '${dir}/theirs.parquet' (FORMAT parquet, COMPRESSION zstd)`);
const size = (name) => statSync(`${dir}/${name}`).size;
console.log(JSON.stringify({ rows: await one('SELECT count(*) FROM p'), different, ours: size('runs.parquet'), theirs: size('theirs.parquet') }));
