/** Those that are shown with `-o wide` alone stand in brackets. */
export function namesOf(columns: readonly { readonly name: string; readonly priority: number }[]): readonly string[] {
  return columns.map(({ name, priority }) => (priority > 0 ? `(${name})` : name));
}
