/** The column that a specification's field names: dots, brackets and quotes have a backslash before them there. */
export function columnOf(field: string): string {
  return field.replace(/\\(.)/g, "$1");
}

/** A column as a specification names it: what reaches into objects is written as it is. */
export function fieldOf(column: string): string {
  return column.replace(/[\\.[\]"']/g, "\\$&");
}
