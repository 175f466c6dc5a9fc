// A middleware with GoReplay's client for Node: recorded tokens become those that the target gives.
const gor = require("goreplay_middleware");
gor.init();
const tokens = {};
gor.on("request", (request) => {
  const field = gor.httpHeader(request.http, "Auth-Token");
  if (field && tokens[field.value]) {
    request.http = gor.setHttpHeader(request.http, "Auth-Token", tokens[field.value]);
  }
  gor.searchResponses(request.ID, "X-Set-Token: (\\w+)", (recorded, replayed) => {
    if (recorded && replayed) tokens[recorded] = replayed;
  });
  return request;
});
