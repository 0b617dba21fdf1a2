// The mock has no runs: the growth view is developed against the real server.
export function runRoute(what, name, reply, response) {
  if (name) return reply(response, 404, {error: {message: 'There is no such run.'}});
  return reply(response, 200, what === 'runs' ? {runs: [], can_train: true} : {recipes: []});
}
