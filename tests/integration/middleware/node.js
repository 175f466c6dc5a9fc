// A middleware with GoReplay's client for Node: another path and a header.
const gor = require("goreplay_middleware");
gor.init();
gor.on("request", (request) => {
  request.http = gor.setHttpPath(request.http, "/node" + gor.httpPath(request.http));
  request.http = gor.setHttpHeader(request.http, "X-Client", "node");
  return request;
});
