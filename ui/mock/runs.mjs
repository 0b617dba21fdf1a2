// The mock has no runs of its own. With AHA_MOCK_RUNS=http://127.0.0.1:PORT those of a real server are shown.
import http from 'node:http';

const kServer = process.env.AHA_MOCK_RUNS ?? '';

export function runRoute(what, name, reply, request, body, response) {
  if (kServer) return forward(request, body, response);
  if (name) return reply(response, 404, {error: {message: 'There is no such run.'}});
  return reply(response, 200, what === 'runs' ? {runs: [], can_train: true} : {recipes: []});
}

function forward(request, body, response) {
  const {method, url} = request;
  const headers = method === 'GET' ? {} : {'content-type': 'application/json'};
  const out = http.request(kServer + url, {method, headers}, answer => {
    response.writeHead(answer.statusCode, {'content-type': answer.headers['content-type'] ?? 'application/json'});
    answer.pipe(response);
  });
  out.on('error', error => response.writableEnded || response.end(String(error)));
  response.on('close', () => out.destroy());
  out.end(method === 'GET' ? undefined : JSON.stringify(body));
}
