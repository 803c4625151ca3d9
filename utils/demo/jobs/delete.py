# SPDX-License-Identifier: BSD-3-Clause

YEAR = 1960

(GB()
 .filter(lambda r: int(r['value']['year']) < YEAR)
 .foreach(lambda r: execute('del', r['key']))
 .map(lambda r: r['value']['year'] + ' ' + r['value']['title'])
 .sort()                                 # True, the default: smallest first
 .run('movie:*'))
