// Is the document valid AsyncAPI, and does each example fit its own schema? Usage: node validate.cjs FILE
const { readFileSync } = require('node:fs');
const { Parser } = require('@asyncapi/parser');
const Ajv = require('ajv');
const addFormats = require('ajv-formats');

const ERROR = 0;
// One mistake in a schema causes hundreds of complaints; the first few are enough.
const SHOWN_MAX = 20;

async function main([file]) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'));
  const found = diagnostics.filter(({ severity }) => severity === ERROR).map(
    ({ message, path, range }) => `${file}:${range.start.line + 1} ${path.join('.')}: ${message}`,
  );
  const messages = document ? document.components().messages().all() : [];
  found.push(...messages.flatMap(misfits));
  if (found.length > 0 || !document) {
    console.error(found.slice(0, SHOWN_MAX).join('\n'));
    console.error(`${found.length} errors in ${file}`);
    process.exit(1);
  }
  const examples = messages.reduce((sum, message) => sum + message.examples().all().length, 0);
  console.log(`${file} is AsyncAPI ${document.version()}: ${messages.length} messages, ${examples} examples that fit`);
}

// The parser checks only the form of examples, so their values are checked here.
function misfits(message) {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addFormat('uint32', true);
  const fits = ajv.compile(message.payload().json());
  const examples = message.examples().all();
  if (examples.length === 0) {
    return [`${message.name()} has no example`];
  }
  return examples.flatMap((example) =>
    fits(example.payload()) ? [] : [`${message.name()}, ${example.name()}: ${ajv.errorsText(fits.errors)}`],
  );
}

main(process.argv.slice(2)).catch((why) => {
  console.error(why);
  process.exit(1);
});
