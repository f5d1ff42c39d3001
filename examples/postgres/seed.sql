-- The table that the example reads. In earnest it is yours, and a user who may only read it logs in.
CREATE TABLE articles (
    id text PRIMARY KEY,
    title text NOT NULL,
    body text NOT NULL,
    topic text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO articles (id, title, body, topic) VALUES
    ('bicycles', 'Bicycles and parking', 'The bicycle shed is behind the kitchen. Everybody with a badge may use it, day and night. Chain your bicycle to a rack; what stands elsewhere for more than a month is given away. Cars park below the building, and visitors use the three places beside the gate.', 'house'),
    ('sick-days', 'When you are ill', 'Tell your team before ten in the morning that you are ill. From the fourth day on we need a note from a doctor. Days of illness during a vacation do not count as vacation, if the note says so.', 'people'),
    ('expenses', 'Expenses', 'Send receipts within thirty days, as photographs, with the name of the project. Money comes with the salary of the next month. Meals with customers need the names of all guests; alcohol is never paid for.', 'people'),
    ('printers', 'Printers', 'A printer stands on every floor beside the stairs. Hold your badge against it to get what you printed. When it is jammed, open the left flap and pull the paper upwards; call the help desk on extension 310 if that does not help.', 'house'),
    ('meeting-rooms', 'Meeting rooms', 'Book a room in the calendar before you sit down in it. A room that is empty ten minutes after the beginning is free for others. The two rooms on the roof hold twenty people and have a projector each.', 'house'),
    ('first-day', 'Your first day', 'Come at nine to the reception and ask for the person who invited you. You get a badge, a laptop and a lunch. In the afternoon somebody of the help desk sets up your accounts with you, and your mentor shows you the house.', 'people');
