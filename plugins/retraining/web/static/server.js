// Asks the app behind this page. Addresses are relative, so Airflow may live below any path.

export class ServerError extends Error {}

export async function ask(path, parameters = {}) {
  return answer(await fetch(address(path, parameters), { headers: { Accept: "application/json" } }));
}

export async function act(action, dagId, wish) {
  return answer(
    await fetch(address(`actions/${action}`, { dag_id: dagId }), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Model-Quality": "act" },
      body: JSON.stringify(wish),
    }),
  );
}

export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) query.append(name, one);
    }
  }
  return query.size ? `${path}?${query}` : path;
}

async function answer(response) {
  if (response.ok) return response.json();
  let detail = `the server answered ${response.status}`;
  try {
    const told = (await response.json()).detail;
    detail = typeof told === "string" ? told : told.map((item) => item.msg).join("; ");
  } catch {
    // No JSON: the status has to do.
  }
  if (response.status === 401) detail = "You are not logged in any more. Log in to Airflow again.";
  throw new ServerError(detail);
}
