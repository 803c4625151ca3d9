# SPDX-License-Identifier: BSD-3-Clause

def size(record):
    return int(record['value'].get('installed-size', 0))

(GB()
 .aggregateby(lambda r: r['value'].get('section', 'none'),
              0,
              lambda section, total, r: total + size(r),
              lambda section, total, part: total + part)
 .map(lambda r: [r['value'], r['key']])
 .sort(reverse=False)
 .limit(10)
 .run('package:*', convertToStr=False))
