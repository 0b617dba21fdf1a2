// The mock has no runs: the growth view is developed against the real server.
export function runRoute(what, reply, response) {
  return reply(response, 200, what === 'runs' ? {runs: [], can_train: true} : {recipes: []});
}
