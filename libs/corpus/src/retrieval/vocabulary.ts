/** The words of the synthetic retrieval task. Every word is one token. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

export const SPECIAL_TOKENS = ['<pad>', '<unk>', '<eos>'] as const;

export const FUNCTION_WORDS = words(`
  doc : . ? question answer the a an of is was what code records show that person near opened on day and closed
`);

export const NOUNS = words(`
  market harbor museum library bridge garden theater station bakery castle school tower mill chapel stadium workshop
`);

export const ADJECTIVES = words('quiet sunny rainy busy cold bright windy long short foggy');

/** No code word is part of another, so a code is found in a text only where it stands. */
export const CODE_WORDS = words(`
  anchor arrow basket beacon bottle bucket button candle carpet chisel circle copper cotton crayon dagger drum
  engine feather fiddle flask funnel goblet hammer helmet hook ink jacket kettle ladder lantern lever magnet
  marble medal mirror needle nickel oar paddle pencil pillow piston pulley quill ribbon rope saddle scarf
  shovel socket spade sponge statue thimble ticket trumpet tunnel velvet wagon whistle window zipper
`);

export const FIRST_NAMES = words(`
  alice boris clara david elena felix grace henry irene james karen louis maria nolan olive peter quentin rosa
  simon tessa ulric vera walter yvonne
`);

export const LAST_NAMES = words(`
  anderson becker carter dawson evans fischer garcia hughes ivanov jensen keller larsen miller novak owens palmer
  quigley romero schmidt turner underwood vargas wagner young
`);

export const CITIES = words(`
  athens berlin cairo dublin essen florence geneva havana istanbul jakarta kyoto lisbon madrid naples oslo prague
  quito riga seville tunis utrecht vienna warsaw zurich
`);

export const PLANTS_AND_STONES = words(`
  aspen birch cedar daisy ebony fern ginger holly iris juniper kale lotus maple nettle onyx poppy quartz rowan
  sage thistle umber violet willow yarrow
`);

export const NAMES = [...FIRST_NAMES, ...LAST_NAMES, ...CITIES, ...PLANTS_AND_STONES];

/** In the order of their ids. */
export const VOCABULARY: readonly string[] = [
  ...SPECIAL_TOKENS,
  ...FUNCTION_WORDS,
  ...NOUNS,
  ...ADJECTIVES,
  ...CODE_WORDS,
  ...NAMES,
];
