// Renders /openapi.json. Everything is inserted as text, so nothing in the document can become markup.
"use strict";

const make = (name, text, ...inside) => {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...inside);
  return element;
};

const named = (name, className, text) => {
  const element = make(name, text);
  element.className = className;
  return element;
};

const rows = (pairs) => make("table", "", ...pairs.map(([left, right]) =>
  make("tr", "", make("td", "", make("code", left)), make("td", right))));

// Resolves references a few levels deep: enough to read, and finite for recursive schemas.
const resolved = (document, schema, depth = 0) => {
  if (depth > 6 || schema === null || typeof schema !== "object") return schema;
  if (Array.isArray(schema)) return schema.map((one) => resolved(document, one, depth + 1));
  if (schema.$ref) {
    const [kind, name] = schema.$ref.split("/").slice(-2);
    return resolved(document, document.components[kind]?.[name] ?? {}, depth + 1);
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolved(document, value, depth + 1)]));
};

const schemaOf = (content) => Object.values(content ?? {})[0]?.schema;

const operation = (document, method, path, operation) => {
  const inside = [];
  if (operation.parameters) {
    inside.push(make("h4", "Parameters"), rows(operation.parameters.map((one) =>
      [`${one.name}${one.required ? " *" : ""}`, `${one.in}. ${one.description ?? ""}`])));
  }
  const body = schemaOf(operation.requestBody?.content);
  if (body) inside.push(make("h4", "Body"), make("pre", JSON.stringify(resolved(document, body), null, 2)));
  inside.push(make("h4", "Answers"), rows(Object.entries(operation.responses).map(([status, response]) =>
    [status, resolved(document, response, 5).description])));
  return make("details", "",
    make("summary", "", named("code", "method", method.toUpperCase()), make("code", path),
      named("span", "about", operation.security.length ? "token" : "open")),
    make("p", operation.summary), ...inside);
};

const show = (document) => {
  window.document.getElementById("about").textContent = document.info.description;
  const rooms = new Map();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, described] of Object.entries(methods)) {
      const tag = described.tags[0];
      if (!rooms.has(tag)) rooms.set(tag, []);
      rooms.get(tag).push(operation(document, method, path, described));
    }
  }
  const parts = [...rooms].flatMap(([tag, operations]) => [make("h2", tag), ...operations]);
  window.document.getElementById("routes").replaceChildren(...parts);
};

fetch("/openapi.json").then((answer) => answer.json()).then(show).catch((why) => {
  window.document.getElementById("routes").replaceChildren(make("p", `It cannot be read: ${why}`));
});
