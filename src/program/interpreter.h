/* SPDX-License-Identifier: MIT */
#ifndef PROGRAM_INTERPRETER_H
#define PROGRAM_INTERPRETER_H

#define INTERPRETER_MAX 256 /* [bytes] the first line of a script, as the kernel reads it */

/*
 * Whether the kernel finds what it needs to execute @path, which is executable: the interpreter of
 * a script ("#!"), or the dynamic loader of an ELF file. execve(2) has one code for a missing
 * program and a missing interpreter. With the rights of this process; safe between fork and exec.
 * Return: 0, also if @path cannot be read; -ENOENT, -EACCES, -errno with that file's path in @ret.
 */
int interpreter_check(const char *path, char ret[INTERPRETER_MAX]);

#endif
