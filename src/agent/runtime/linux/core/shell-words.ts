/** Texts for programs that split what they read: a shell's words and the fields of an fstab. */

/** One word of a shell, whatever it holds (but NUL, which no word can). */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(' ');
}

/** One field of an fstab: blanks and what begins a comment or an escape are octal. */
export function fstabField(text: string): string {
  return text.replace(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
