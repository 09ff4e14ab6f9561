// SPDX-License-Identifier: GPL-2.0-only
/* tag - words of a tag in an item's BTF: "word;key=value;key=value". */
#include "base/tag.h"

struct span tag_word(const char *tag)
{
	return (struct span){(const uint8_t *)tag, strcspn(tag, ";")};
}

bool tag_value(const char *tag, const char *key, struct span *ret_value)
{
	size_t key_len = strlen(key);

	for (const char *at = strchr(tag, ';'); at; at = strchr(at, ';')) {
		at++;
		if (strncmp(at, key, key_len) != 0 || at[key_len] != '=')
			continue;
		at += key_len + 1;
		*ret_value = (struct span){(const uint8_t *)at, strcspn(at, ";")};
		return true;
	}
	return false;
}
