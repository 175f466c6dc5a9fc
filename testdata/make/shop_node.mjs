// A visitor of the shop with Node's fetch: node shop_node.mjs http://HOST:PORT
const origin = process.argv[2];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const json = (method, value, cookie) => ({ method, headers: { "Content-Type": "application/json", ...(cookie && { Cookie: cookie }) }, body: JSON.stringify(value) });
const read = async (path, options) => { const answer = await fetch(origin + path, options); await answer.arrayBuffer(); return answer; };

const login = await read("/api/login", json("POST", { user: "grace", password: "café" }));
const cookie = login.headers.getSetCookie().map((one) => one.split(";")[0]).join("; ");
for (let round = 0; round < 8; round++) {
  await Promise.all([
    read(`/api/products?page=${round + 1}&per_page=4`),
    read(`/api/products/${round * 3 + 1}`),
  ]);
  await read("/api/cart", json("POST", { product: round, quantity: 2 }, cookie));
  if (round % 2) await read(`/api/cart/${round}`, { method: "DELETE", headers: { Cookie: cookie } });
  await pause(380);
}
// A stream as the body goes out chunked.
const stream = new ReadableStream({
  async start(controller) {
    for (const line of ["Five stars. ", "It is a very good lamp, ", "and it came in a box.\n"]) {
      controller.enqueue(new TextEncoder().encode(line));
      await pause(20);
    }
    controller.close();
  },
});
await read("/api/reviews/3", { method: "POST", body: stream, duplex: "half", headers: { "Content-Type": "text/plain" } });
await read("/api/orders", json("POST", { address: "2 Mill Lane" }, cookie));
