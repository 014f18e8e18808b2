"""Makes vega-lite-v6.schema.json.gz from the schema in the npm package `vega-lite`.

    npm pack vega-lite@6 && tar -xzf vega-lite-6*.tgz
    python3 renew.py package/build/vega-lite-schema.json

The published schema names its definitions after TypeScript types, `Dict<(Gradient|string)>`, and
refers to them so, which is no valid URI reference: such names become `Dict__Gradient_string__`.
"""

import gzip
import json
import re
import sys


def safe(name):
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def rename(value):
    if isinstance(value, dict):
        return {k: (prefix + safe(v[len(prefix):]) if k == "$ref" and isinstance(v, str) else rename(v))
                for k, v in value.items()}
    return [rename(v) for v in value] if isinstance(value, list) else value


prefix = "#/definitions/"
schema = rename(json.load(open(sys.argv[1])))
definitions = schema["definitions"]
schema["definitions"] = {safe(k): v for k, v in definitions.items()}
assert len(schema["definitions"]) == len(definitions), "two definitions got one name"
text = json.dumps(schema, separators=(",", ":"), sort_keys=True).encode()
with open("vega-lite-v6.schema.json.gz", "wb") as out:
    with gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        packed.write(text)
