/** A framework's route as reports name it: `/invoices/:id{[0-9]+}` becomes `/invoices/{id}`. */
export function routeTemplate(route: string): string {
  return route
    .replace(/:([A-Za-z_]\w*)(?:\{[^}]*\}|\((?:[^()]|\([^()]*\))*\))?\??/g, '{$1}')
    .replace(/\*([A-Za-z_]\w*)/g, '{$1}')
}
