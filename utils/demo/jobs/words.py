# SPDX-License-Identifier: BSD-3-Clause

import re

def words(record):
    return re.findall('[a-z]+', record['value'].lower())

(GB()
 .flatmap(words)
 .countby()
 .map(lambda r: [r['value'], r['key']])
 .sort(reverse=False)                    # False: largest first
 .limit(10)
 .run('text:*', convertToStr=False))
