// The web shop of shop.pcapng. It logs every exchange as it saw it.
//
//     node shop.mjs ADDRESS PORT LOG
//
// Bodies are digested as handed to (or by) Node: without chunk framing, with
// their content coding.
import http from "node:http";
import fs from "node:fs";
import zlib from "node:zlib";
import { createHash } from "node:crypto";

const [address, port, logPath] = process.argv.slice(2);
const log = fs.openSync(logPath, "a");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const endpoint = (address, port) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);

const adjectives = ["Plain", "Striped", "Tall", "Quiet", "Folding", "Second", "Winter", "Copper"];
const nouns = ["Lamp", "Chair", "Kettle", "Rug", "Shelf", "Clock"];
const products = adjectives.flatMap((adjective, a) =>
  nouns.map((noun, n) => ({
    id: a * nouns.length + n + 1,
    name: `${adjective} ${noun}`,
    price: (990 + 731 * a + 157 * n) / 100,
    stock: (7 * a + 3 * n) % 20,
    tags: [adjective.toLowerCase(), noun.toLowerCase()],
    description: `The ${adjective.toLowerCase()} ${noun.toLowerCase()} goes wherever a ${noun.toLowerCase()} is wanted. `.repeat(2),
  })),
);
const photo = (n) => {
  let state = n * 2654435761 + 1;
  const noise = Buffer.alloc(1800 + 700 * n, 0);
  for (let i = 0; i < noise.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    noise[i] = state >>> 16;
  }
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), noise]);
};
const page = (title, body) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<link rel="stylesheet" href="/static/style.css"><link rel="icon" href="/static/logo.svg">
<script src="/static/app.js" defer></script></head>
<body><header><img src="/static/logo.svg" alt="" width="40"><h1>${title}</h1></header>
${body}
</body></html>
`;
const style = `body { font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 60rem; }
header { display: flex; gap: 1rem; align-items: center; }
.product { border: 1px solid #ccc; border-radius: 4px; padding: 1rem; margin: .5rem 0; }
.price { color: #060; font-weight: bold; }
${Array.from({ length: 40 }, (_, i) => `.shade-${i} { background: hsl(${i * 9} 60% 90%); }`).join("\n")}
`;
const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="8" fill="#246"/><path d="M8 14h24l-3 16H11z" fill="#fff"/></svg>\n`;
const app = `// What a visitor does, so that the browser has something to ask.
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const json = (method, value) => ({ method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
addEventListener("load", async () => {
  const list = document.querySelector("#products");
  if (!list) return;
  await fetch("/api/login", json("POST", { user: "ada", password: "correct horse" }));
  for (let page = 1; page <= 4; page++) {
    const answer = await (await fetch(\`/api/products?page=\${page}&per_page=6&sort=price\`)).json();
    for (const product of answer.products) {
      const item = document.createElement("div");
      item.className = "product";
      item.textContent = \`\${product.name} \${product.price}\`;
      const image = document.createElement("img");
      image.src = \`/static/photo-\${product.id % 6}.png\`;
      item.append(image);
      list.append(item);
    }
    await fetch("/api/cart", json("POST", { product: page * 5, quantity: page }));
    await pause(500);
    await fetch("/api/cart");
  }
  await fetch("/api/cart/10", json("PUT", { quantity: 7 }));
  await fetch("/api/cart/5", { method: "DELETE" });
  await pause(400);
  await fetch("/api/orders", json("POST", { address: "1 Market Street \u2014 back door", gift: true }));
  await fetch("/api/products?q=" + encodeURIComponent("l\u00e4mp & co") + "&page=1");
});
`;
const files = {
  "/static/style.css": ["text/css", style],
  "/static/app.js": ["text/javascript; charset=utf-8", app],
  "/static/logo.svg": ["image/svg+xml", logo],
};
for (let n = 0; n < 6; n++) files[`/static/photo-${n}.png`] = ["image/png", photo(n)];

const carts = new Map();
let sessions = 0;
let orders = 1000;

function respond(request, body) {
  const url = new URL(request.url, "http://shop.test");
  const path = url.pathname;
  const cookie = /\bsession=([0-9a-z]+)/.exec(request.headers.cookie ?? "")?.[1];
  const cart = carts.get(cookie);
  const json = (status, value, headers = {}) => ({ status, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(value) });
  const text = (status, value, headers = {}) => ({ status, headers: { "Content-Type": "text/plain", ...headers }, body: value });
  const reads = request.method === "GET" || request.method === "HEAD";

  if (path === "/" && reads) {
    return { status: 200, headers: { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache" }, body: page("The Corner Shop", `<main id="products"></main>`) };
  }
  if (path.startsWith("/products/") && reads) {
    const product = products[Number(path.slice(10)) - 1];
    if (!product) return { status: 404, headers: { "Content-Type": "text/html; charset=utf-8" }, body: page("Not here", "<p>We do not have that.</p>") };
    return { status: 200, headers: { "Content-Type": "text/html; charset=utf-8" }, body: page(product.name, `<p>${product.description}</p><p class="price">${product.price}</p>`) };
  }
  if (files[path] && reads) {
    const [type, content] = files[path];
    const tag = `"${sha256(content).slice(0, 16)}"`;
    const headers = { "Content-Type": type, ETag: tag, "Cache-Control": "max-age=60" };
    if (request.headers["if-none-match"] === tag) return { status: 304, headers };
    return { status: 200, headers, body: content };
  }
  if (path === "/shop") return { status: 302, headers: { Location: "/" } };
  if (path === "/api/health") return { status: 204, headers: {} };
  if (path === "/api/login" && request.method === "POST") {
    let user;
    if ((request.headers["content-type"] ?? "").startsWith("application/json")) user = JSON.parse(body).user;
    else user = new URLSearchParams(body.toString()).get("user");
    if (!user) return json(400, { error: "who are you?" });
    const session = `s${(++sessions).toString(36)}x${sha256(user).slice(0, 12)}`;
    carts.set(session, { user, lines: new Map() });
    return json(200, { user }, { "Set-Cookie": [`session=${session}; Path=/; HttpOnly`, "theme=plain; Path=/"] });
  }
  if (path === "/api/products" && reads) {
    const page = Number(url.searchParams.get("page") ?? 1);
    const size = Number(url.searchParams.get("per_page") ?? 10);
    const wanted = (url.searchParams.get("q") ?? "").toLowerCase();
    const found = products.filter((product) => product.name.toLowerCase().includes(wanted));
    return json(200, { page, total: found.length, products: found.slice((page - 1) * size, page * size) });
  }
  if (path.startsWith("/api/products/") && reads) {
    const product = products[Number(path.slice(14)) - 1];
    return product ? json(200, product) : json(404, { error: "no such product" });
  }
  if (path === "/api/orders/all" && reads) {
    if (request.headers.authorization !== "Basic " + Buffer.from("admin:open sesame").toString("base64")) {
      return text(401, "not you\n", { "WWW-Authenticate": 'Basic realm="shop"' });
    }
    return { ...json(200, { orders: Array.from({ length: 30 }, (_, i) => ({ id: 1000 + i, state: ["new", "paid", "sent"][i % 3] })) }), chunks: 5 };
  }
  if (path.startsWith("/api/reviews/") && request.method === "POST") return json(201, { stored: body.length }, { Location: `/api/reviews/${body.length}` });
  if (path.startsWith("/api/cart") || path === "/api/orders") {
    if (!cart) return json(403, { error: "log in first" });
    const id = Number(path.split("/")[3]);
    if (request.method === "POST" && path === "/api/orders") {
      const order = { id: ++orders, lines: [...cart.lines] };
      cart.lines.clear();
      return json(201, order, { Location: `/api/orders/${order.id}` });
    }
    if (request.method === "POST") {
      const line = JSON.parse(body);
      cart.lines.set(line.product, line.quantity);
      return json(201, { lines: [...cart.lines] });
    }
    if (request.method === "PUT") {
      cart.lines.set(id, JSON.parse(body).quantity);
      return json(200, { lines: [...cart.lines] });
    }
    if (request.method === "DELETE") {
      cart.lines.delete(id);
      return { status: 204, headers: {} };
    }
    return json(200, { user: cart.user, lines: [...cart.lines] });
  }
  return json(404, { error: `no ${request.method} ${path} here` });
}

let connections = 0;
const server = http.createServer({ keepAliveTimeout: 20000 }, (request, response) => {
  const socket = request.socket;
  const exchange = (socket.exchanges = (socket.exchanges ?? -1) + 1);
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const received = Buffer.concat(parts);
    const answer = respond(request, received);
    let sent = Buffer.from(answer.body ?? "");
    const headers = { ...answer.headers, Vary: "Accept-Encoding" };
    const small = sent.length < 700;
    if (!small && /json|html|css|javascript/.test(headers["Content-Type"]) && /\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) {
      sent = zlib.gzipSync(sent);
      headers["Content-Encoding"] = "gzip";
    }
    const bodiless = request.method === "HEAD" || answer.status === 204 || answer.status === 304;
    const chunks = answer.chunks ?? 0;
    if (!chunks && answer.status !== 204 && answer.status !== 304) headers["Content-Length"] = sent.length;
    const entry = {
      connection: endpoint(socket.remoteAddress, socket.remotePort),
      server: endpoint(socket.localAddress, socket.localPort),
      exchange,
      method: request.method,
      target: request.url,
      version: `HTTP/${request.httpVersion}`,
      status: answer.status,
      request_body_length: received.length,
      request_body_sha256: sha256(received),
      response_body_length: bodiless ? 0 : sent.length,
      response_body_sha256: sha256(bodiless ? "" : sent),
    };
    const number = (socket.number ??= connections++);
    response.on("finish", () => fs.writeSync(log, JSON.stringify({ ...entry, order: number }) + "\n"));
    // Products take a moment to find, as they would in a database.
    setTimeout(() => {
      response.writeHead(answer.status, headers);
      if (bodiless) response.end();
      else if (chunks) {
        const step = Math.ceil(sent.length / chunks);
        const next = (at) => {
          response.write(sent.subarray(at, at + step));
          if (at + step < sent.length) setTimeout(next, 4, at + step);
          else response.end();
        };
        next(0);
      } else response.end(sent);
    }, 1 + (exchange % 4));
  });
});
server.listen(Number(port), address, () => console.log("ready"));
