/** The heads of a table's columns. What stands over numbers stands at their right; a hidden one is for screen readers alone. */
export function Head({ columns }: { columns: (string | { number: string } | { hidden: string })[] }) {
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          if (typeof column === "string")
            return (
              <th key={column} scope="col">
                {column}
              </th>
            );
          if ("number" in column)
            return (
              <th key={column.number} scope="col" data-number>
                {column.number}
              </th>
            );
          return (
            <th key={column.hidden} scope="col">
              <span className="for-readers">{column.hidden}</span>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}
