# SPDX-License-Identifier: BSD-3-Clause

(GB('KeysOnlyReader')
 .filter(lambda key: key != 'all_keys')
 .foreach(lambda key: execute('sadd', 'all_keys', key))
 .count()
 .run())
