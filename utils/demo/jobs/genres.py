# SPDX-License-Identifier: BSD-3-Clause

(GB('KeysOnlyReader')
 .map(lambda key: execute('hget', key, 'genres'))
 .flatmap(lambda genres: genres.split(','))
 .countby()
 .map(lambda r: [r['value'], r['key']])
 .sort(reverse=False)
 .run('movie:*', convertToStr=False))
